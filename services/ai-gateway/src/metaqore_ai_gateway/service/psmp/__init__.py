"""The life of projects, artifacts and tasks: what is asked, judged, kept and looked back upon."""
