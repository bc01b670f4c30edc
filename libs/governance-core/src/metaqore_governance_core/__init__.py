"""The governance rules of MetaQore: pure, no input or output."""
