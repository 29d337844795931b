"""Paho Python at a server with access control: argv is its URL (mqtt, mqtts or ws), the version (3, 4 or 5), a CA file, a user
name, a password. Subscribes to `commands/dev/#` and `other`, publishes to `devices/dev/paho` and `other`; prints as JSON what it
was told."""
import json
import queue
import sys
from urllib.parse import urlsplit

try:
    import paho.mqtt.client as mqtt
except ImportError:
    sys.exit("Paho for Python is missing; scripts/ci-tools.sh installs it")

URL, VERSION, CA, USERNAME, PASSWORD = urlsplit(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
DEADLINE_S = 15
KIND = {3: mqtt.MQTTv31, 4: mqtt.MQTTv311, 5: mqtt.MQTTv5}[VERSION]

options = {}
# Paho 2 wants to be told which callbacks are meant.
if hasattr(mqtt, "CallbackAPIVersion"):
    options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION1
transport = "websockets" if URL.scheme == "ws" else "tcp"
client = mqtt.Client(client_id="paho", protocol=KIND, transport=transport, **options)
if transport == "websockets":
    client.ws_set_options(path=URL.path)
if URL.scheme == "mqtts":
    client.tls_set(ca_certs=CA)
client.username_pw_set(USERNAME, PASSWORD)


def number(code):
    return code if isinstance(code, int) else code.value


connected, subscribed, published, ended = queue.Queue(), queue.Queue(), queue.Queue(), queue.Queue()
client.on_connect = lambda _c, _u, _flags, code, *_: connected.put(number(code))
client.on_subscribe = lambda _c, _u, _mid, granted, *_: subscribed.put([number(one) for one in granted])
client.on_publish = lambda _c, _u, mid: published.put(mid)
client.on_disconnect = lambda *_: ended.put(True)

client.connect(URL.hostname, URL.port)
client.loop_start()
told = {"connected": connected.get(timeout=DEADLINE_S)}
if told["connected"] == 0:
    client.subscribe([("commands/dev/#", 1), ("other", 1)])
    told["granted"] = subscribed.get(timeout=DEADLINE_S)
    for qos in (1, 2):
        for topic in ("devices/dev/paho", "other"):
            client.publish(topic, f"paho {VERSION} {qos}", qos=qos)
            published.get(timeout=DEADLINE_S)
    # Nobody has ended it for what it may not.
    told["ended"] = not ended.empty()
client.disconnect()
client.loop_stop()
print(json.dumps(told))
