"""PSMP: the life of every project, task and artifact, as pure deciders."""
