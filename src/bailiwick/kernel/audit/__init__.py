"""The audit trail: who did what to what, written with the change, sealed soon after."""
