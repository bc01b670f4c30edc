"""The chassis that every MetaQore service stands on."""
