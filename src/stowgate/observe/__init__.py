"""What people and monitors get to know: logs, numbers, the audit log, alerts; codes and ids, never a value."""
