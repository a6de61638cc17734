export default {
  // The bundler leaves these, and the app's own copy of pg, as they are.
  serverExternalPackages: ['@tenure/core', '@tenure/inspector', 'pg'],
};
