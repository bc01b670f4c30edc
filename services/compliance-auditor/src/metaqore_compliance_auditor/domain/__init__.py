"""The auditor's own rules: what may enter a log, what a log must hold, what does not fit. Pure."""
