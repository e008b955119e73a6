"""Bill runs: they draft invoices, which are posted or cancelled afterwards."""
