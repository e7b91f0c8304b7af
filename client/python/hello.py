#!/usr/bin/env python3
"""Says hello through a broker: python3 client/python/hello.py ws://127.0.0.1:4800/mqtt"""
import argparse
import asyncio

from client import Client, Message


async def hello(url: str) -> None:
    arrived = asyncio.Event()

    def on_message(message: Message) -> None:
        print(f"{message.topic}: {message.payload.decode()}")
        arrived.set()

    async with Client(url, "pump-8", on_message, clean=False, on_lost=print) as client:
        await client.subscribe("plant/+/temperature", qos=1)
        await client.publish("plant/8/temperature", b"21.5", qos=1)
        await arrived.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Subscribes, publishes one message and prints it.")
    parser.add_argument("url", nargs="?", default="ws://127.0.0.1:4800/mqtt", help="default: %(default)s")
    asyncio.run(hello(parser.parse_args().url))
