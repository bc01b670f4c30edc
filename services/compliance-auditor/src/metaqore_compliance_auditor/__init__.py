"""The Compliance Auditor: transparency logs that anyone can verify."""
