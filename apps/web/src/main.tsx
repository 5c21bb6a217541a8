import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { createFeed } from './feed.ts';

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App feed={createFeed('/api/events')} />
  </StrictMode>,
);
