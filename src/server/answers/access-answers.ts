import { count, flag, listOf, shape, text } from '../../common/shapes.js';
import type * as api from '../../protocol/access-api.js';

/** What is answered about who may use the server, as src/protocol/access-api.ts has it. */

const tokenFields = { name: text, created: text, certificates: count };

export const token = shape<api.TokenInfo>('TokenInfo', tokenFields, { expires: text });

export const newToken = shape<api.NewToken>('NewToken', { ...tokenFields, token: text }, { expires: text });

export const certificate = shape<api.CertificateAnswer>('CertificateAnswer', {
  name: text,
  certificate: text,
  authority: text,
  expires: text,
});

export const invitation = shape<api.Invitation>('Invitation', {
  host: text,
  token: text,
  expires: text,
  urls: listOf(text),
  isEnrolled: flag,
});

const agentFields = { enrolled: text, certificateExpires: text, lastSeen: text, revoked: text, invitedUntil: text };

export const agent = shape<api.AgentInfo>('AgentInfo', { host: text }, agentFields);

export const revokedAgent = shape<api.RevokedAgent>('RevokedAgent', { host: text, invitations: count }, agentFields);
