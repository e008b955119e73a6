"""One real triggerer with many waits, watched for a while: it must neither grow, nor leak, nor be late."""
