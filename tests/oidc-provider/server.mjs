// A real authorization server for the tests: npm `oidc-provider`, certified and independent of twg.
//
//     node server.mjs [--access-token-ttl SECONDS] [--device-code-ttl SECONDS] [--redirect-uri URI]...
//
// Listens on a free port of 127.0.0.1 and prints one line of JSON when it is ready. It ends when
// its standard input is closed, so it never outlives its test. Users approve in its own HTML forms
// (devInteractions) with any login name and password.
import { parseArgs } from 'node:util';
import { createServer } from 'node:http';

// Its notices ("development-only ...") describe what the tests want; errors still go to standard
// error.
console.info = () => {};
console.warn = () => {};
const { Provider } = await import('oidc-provider');
const { default: MemoryAdapter } = await import('oidc-provider/lib/adapters/memory_adapter.js');

const { values: options } = parseArgs({
  options: {
    'access-token-ttl': { type: 'string', default: '3600' },
    'device-code-ttl': { type: 'string', default: '600' },
    // Further redirect URIs, compared exactly.
    'redirect-uri': { type: 'string', multiple: true, default: [] },
  },
});

const grants = [
  'authorization_code',
  'refresh_token',
  'urn:ietf:params:oauth:grant-type:device_code',
];
const client = {
  // "native" makes it accept a loopback redirect URI with any port (RFC 8252, section 7.3).
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback', 'http://[::1]/callback', ...options['redirect-uri']],
  response_types: ['code'],
  grant_types: grants,
};

const clients = [
  { ...client, client_id: 'twg-oidc', token_endpoint_auth_method: 'none' },
  {
    ...client,
    client_id: 'twg-oidc-basic',
    // Characters that client_secret_basic must form-encode (RFC 6749, section 2.3.1).
    client_secret: 'a secret+with:odd%characters/and=32 more',
    token_endpoint_auth_method: 'client_secret_basic',
  },
  {
    ...client,
    client_id: 'twg-oidc-post',
    client_secret: 'a-secret-that-is-sent-in-the-form-body',
    token_endpoint_auth_method: 'client_secret_post',
  },
  // A client that another tool would use to ask whether a token is alive.
  {
    client_id: 'inspector',
    client_secret: 'the-secret-of-the-tests-own-inspector',
    token_endpoint_auth_method: 'client_secret_basic',
    redirect_uris: [],
    response_types: [],
    grant_types: [],
  },
];

// Its own store forgets all but the last one or two thousand objects, and a forgotten login looks
// like a revoked one. This store forgets nothing; expired objects are still refused.
const store = new Map();

const configuration = {
  adapter: (model) => new MemoryAdapter(model, store),
  clients,
  scopes: ['openid', 'offline_access', 'profile', 'email'],
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false,
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: 'Ada Lovelace',
      email: 'ada@example.com',
      email_verified: true,
    }),
  }),
  pkce: { required: () => true },
  // Browsers send an extension's origin, and no other page can have it.
  clientBasedCORS: (_context, origin) => /^(chrome|moz)-extension:/.test(origin),
  // Every use replaces the refresh token, and reuse of an old one ends the whole grant, without a
  // leeway: the strictest behaviour that a client can meet.
  rotateRefreshToken: true,
  issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: () => false,
  features: {
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    userinfo: { enabled: true },
  },
  ttl: {
    AccessToken: Number(options['access-token-ttl']),
    DeviceCode: Number(options['device-code-ttl']),
    RefreshToken: 14 * 24 * 3600,
    Grant: 14 * 24 * 3600,
    Session: 24 * 3600,
    Interaction: 3600,
    IdToken: 3600,
  },
  cookies: { keys: ['for tests only'] },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, configuration);
  provider.on('server_error', (_context, error) => console.error(error));
  server.on('request', provider.callback());
  console.log(JSON.stringify({ issuer, port }));
});

process.stdin.on('end', () => process.exit(0)).resume();
