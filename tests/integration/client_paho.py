"""Paho Python against a server: argv is its URL (mqtt, ws or wss), the version (3, 4 or 5), and a CA file for wss. Prints `ok`, or
fails with an assertion."""
import os
import queue
import socket
import sys
from urllib.parse import urlsplit

try:
    import paho.mqtt.client as mqtt
except ImportError:
    sys.exit("Paho for Python is missing; scripts/ci-tools.sh installs it")

URL, VERSION = urlsplit(sys.argv[1]), int(sys.argv[2])
DEADLINE_S = 15


def client(client_id, clean=True):
    kind = {3: mqtt.MQTTv31, 4: mqtt.MQTTv311, 5: mqtt.MQTTv5}[VERSION]
    options = {} if VERSION == 5 else {"clean_session": clean}
    # Paho 2 wants to be told which callbacks are meant.
    if hasattr(mqtt, "CallbackAPIVersion"):
        options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION1
    transport = "tcp" if URL.scheme == "mqtt" else "websockets"
    made = mqtt.Client(client_id=client_id, protocol=kind, transport=transport, **options)
    if transport == "websockets":
        made.ws_set_options(path=URL.path)
    if URL.scheme == "wss":
        made.tls_set(ca_certs=sys.argv[3])
    made.arrived = queue.Queue()
    made.subscribed = queue.Queue()
    made.on_message = lambda _c, _u, message: made.arrived.put(message)
    made.on_subscribe = lambda *_: made.subscribed.put(True)
    return made


def connect(made, clean=True):
    if VERSION == 5:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0 if clean else 600
        made.connect(URL.hostname, URL.port, clean_start=clean, properties=properties)
    else:
        made.connect(URL.hostname, URL.port)
    made.loop_start()


def leave(made):
    made.disconnect()
    made.loop_stop()


subscriber = client("paho-sub", clean=False)
connect(subscriber, clean=False)
subscriber.subscribe("paho/#", qos=2)
subscriber.subscribed.get(timeout=DEADLINE_S)
publisher = client("paho-pub")
connect(publisher)

for qos in (0, 1, 2):
    publisher.publish(f"paho/{qos}", f"live {qos}", qos=qos).wait_for_publish()
    message = subscriber.arrived.get(timeout=DEADLINE_S)
    assert (message.topic, message.payload.decode(), message.qos) == (f"paho/{qos}", f"live {qos}", qos)

leave(subscriber)
for i in range(50):
    publisher.publish("paho/queued", str(i), qos=2).wait_for_publish()
again = client("paho-sub", clean=False)
connect(again, clean=False)
got = [again.arrived.get(timeout=DEADLINE_S).payload.decode() for _ in range(50)]
assert got == [str(i) for i in range(50)], got

# The network breaks; Paho comes back to its session by itself.
returned = queue.Queue()
again.on_connect = lambda _c, _u, flags, *_: returned.put(flags["session present"])
again.reconnect_delay_set(min_delay=1)
# Only for reading: the thread of Paho 1.6 does not survive an error while it writes to TLS. What it has may be a WebSocket, which
# has no shutdown.
with socket.socket(fileno=os.dup(again.socket().fileno())) as its_socket:
    its_socket.shutdown(socket.SHUT_RD)
for i in range(50):
    publisher.publish("paho/broken", str(i), qos=2).wait_for_publish()
# MQTT 3.1 has no Session Present.
assert returned.get(timeout=DEADLINE_S) == (0 if VERSION == 3 else 1)
got = [again.arrived.get(timeout=DEADLINE_S).payload.decode() for _ in range(50)]
assert got == [str(i) for i in range(50)], got
leave(again)
leave(publisher)
print("ok")
