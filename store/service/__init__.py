"""The gRPC server over a lake."""
