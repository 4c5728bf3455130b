// An SSH server made with npm's ssh2 that forwards, and does nothing else.
//
//	node ssh2.js ADDRESS PORT HOST_KEY
//
// Its forwards are two pipes, as in the examples of ssh2.
'use strict';

const fs = require('fs');
const net = require('net');
const { Server } = require('ssh2');

const [address, port, hostKey] = process.argv.slice(2);

function join(channel, socket) {
  channel.on('error', () => socket.destroy());
  socket.on('error', () => channel.close());
  channel.pipe(socket);
  socket.pipe(channel);
}

function direct(accept, reject, info) {
  const socket = net.connect(info.destPort, info.destIP);
  socket.once('error', reject);
  socket.once('connect', () => {
    socket.removeListener('error', reject);
    join(accept(), socket);
  });
}

function forward(client, listeners, accept, reject, info) {
  const listener = net.createServer((socket) => {
    client.forwardOut(info.bindAddr, listener.address().port,
      socket.remoteAddress, socket.remotePort, (error, channel) => {
        if (error)
          socket.destroy();
        else
          join(channel, socket);
      });
  });
  listener.once('error', reject);
  listener.listen(info.bindPort, info.bindAddr, () => {
    const chosen = listener.address().port;
    listeners.set(chosen, listener);
    accept(chosen);
  });
}

new Server({ hostKeys: [fs.readFileSync(hostKey)] }, (client) => {
  const listeners = new Map();
  client.on('error', () => {});
  client.on('authentication', (context) => context.accept());
  client.on('tcpip', direct);
  client.on('session', (accept) => accept());
  client.on('request', (accept, reject, name, info) => {
    if (name === 'tcpip-forward') {
      forward(client, listeners, accept, reject, info);
    } else if (name === 'cancel-tcpip-forward'
               && listeners.has(info.bindPort)) {
      listeners.get(info.bindPort).close();
      listeners.delete(info.bindPort);
      if (accept)  // ssh wants no reply
        accept();
    } else if (reject) {
      reject();
    }
  });
  client.on('close', () => listeners.forEach((one) => one.close()));
}).listen(Number(port), address, () => console.log('listening'));
