"""What client and server share: requests as messages, answers as frames, errors as statuses."""
