import { inspector } from '@tenure/inspector';

// The live page. Next.js does not show a route who sends a request, so the page wants a token.
const page = inspector({ token: process.env.POOL_TOKEN });

export const dynamic = 'force-dynamic';
export const GET = page.web;
