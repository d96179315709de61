"""One module a service: parse the request, call the use case, render the answer."""
