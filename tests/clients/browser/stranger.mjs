// Another origin, which remembers who asked it for what.
import { createServer } from 'node:http';

export class Stranger {
  asked = [];
  #server = createServer((request, response) => {
    this.asked.push(request.url);
    response.writeHead(200, { 'access-control-allow-origin': '*', 'content-type': 'text/javascript' });
    response.end('globalThis.stranger = true;');
  });

  start() {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  get origin() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }
}
