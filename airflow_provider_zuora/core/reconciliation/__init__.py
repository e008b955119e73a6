"""What the submission log says was sent, compared with what Zuora has; nothing is sent here."""
