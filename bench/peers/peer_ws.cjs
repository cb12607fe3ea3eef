// Peer: Node's `ws`, one send per client, no compression.
const net = require("node:net");
const { WebSocketServer } = require("ws");

const size = Number(process.argv[2]);
const head = '{"s":1,"t":"MESSAGE_CREATE","op":0,"d":{"content":"';
const end = '"}}';
const text = head + "x".repeat(size - head.length - end.length) + end;

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false, backlog: 4096 });
const control = net.createServer((socket) => {
  socket.setNoDelay(true);
  socket.on("data", (data) => {
    for (let n = 0; n < data.length; n += 1) for (const client of server.clients) client.send(text);
    socket.write(data);
  });
});
server.on("listening", () =>
  control.listen(0, "127.0.0.1", () =>
    console.log(JSON.stringify({ pid: process.pid, port: server.address().port, control: control.address().port })),
  ),
);
