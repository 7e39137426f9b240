// The demo API as one builds it with Auth0's middleware. ISSUER and AUDIENCE say whose
// tokens it takes. Prints its port.
import express from 'express';
import { auth, requiredScopes } from 'express-oauth2-jwt-bearer';

const { ISSUER, JWKS_URI, AUDIENCE } = process.env;
const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.use(auth({ issuer: ISSUER, jwksUri: JWKS_URI, audience: AUDIENCE }));
app.get('/users', requiredScopes('list:users'), (request, response) => {
  const users = [{ id: '1', name: 'Ada Lovelace' }, { id: '2', name: 'Alan Turing' }];
  response.json({ users, called_by: request.auth.payload.client_id });
});
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
