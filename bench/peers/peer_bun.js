// Peer: Bun, whose WebSocket server is uWebSockets; one publish to a topic that all are subscribed to, no compression.
const size = Number(process.argv[2]);
const head = '{"s":1,"t":"MESSAGE_CREATE","op":0,"d":{"content":"';
const end = '"}}';
const text = head + "x".repeat(size - head.length - end.length) + end;

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, own) => (own.upgrade(request) ? undefined : new Response("", { status: 400 })),
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    open: (socket) => socket.subscribe("all"),
    message: () => {},
  },
});
const control = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    data(socket, data) {
      for (let n = 0; n < data.length; n += 1) server.publish("all", text);
      socket.write(data);
    },
  },
});
console.log(JSON.stringify({ pid: process.pid, port: server.port, control: control.port }));
