// Preloaded: makes this Node.js say it is an older one.
Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.0' } });
