import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';

/**
 * Signs the URL of a WebSocket: in the query string, because a browser sends no headers of its own there. API Gateway takes it for
 * five minutes, so it is made anew for every socket.
 * `credentials`: accessKeyId, secretAccessKey and, of a role, sessionToken; or a function that gets them.
 */
export const signedBy = ({ credentials, region }) => {
  const signer = new SignatureV4({ credentials, region, service: 'execute-api', sha256: Sha256 });
  return async (url) => {
    const { protocol, host, hostname, pathname, searchParams } = new URL(url);
    const query = Object.fromEntries(searchParams);
    const request = { method: 'GET', protocol, hostname, path: pathname, query, headers: { host } };
    const signed = await signer.presign(request, { expiresIn: 300 });
    return `${protocol}//${host}${pathname}?${new URLSearchParams(signed.query)}`;
  };
};
