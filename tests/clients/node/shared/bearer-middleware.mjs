// The middleware that users of a plain verification library write around it.
// `verify(token)` returns the claims or throws; `scopes(claims)` lists what the token allows.
export function bearerMiddleware({ verify, scope, scopes }) {
  return async (request, response, next) => {
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    if (scheme !== 'Bearer') return response.status(401).send('no bearer token');
    try {
      request.claims = await verify(token);
    } catch (error) {
      return response.status(401).send(`${error.code ?? error.name} ${error.message}`);
    }
    if (!scopes(request.claims).includes(scope)) return response.status(403).send('insufficient scope');
    next();
  };
}
