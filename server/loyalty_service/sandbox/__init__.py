"""The sandbox: the server, a demo program and a real Envoy, started together."""
