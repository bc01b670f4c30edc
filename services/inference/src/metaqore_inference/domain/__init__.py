"""The rules of serving models that know no engine."""
