"""Runs in a pod: accepts connections on the port given, and closes them; what policies let through reaches it."""

import asyncio
import sys


async def _close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def main() -> None:
    """For ever."""
    server = await asyncio.start_server(_close, "0.0.0.0", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
