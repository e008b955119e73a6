"""What the guards of a submission compare with their limits, read at the vendor; nothing is changed there."""
