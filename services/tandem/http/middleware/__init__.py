"""What happens to every request, as pure ASGI: nothing here buffers a stream."""
