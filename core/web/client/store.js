/** Keeps a chat's state in the browser, under a name: one for each user. */
export function indexedDbStore(name) {
  const request = (open) => new Promise((resolve, reject) => {
    const asked = open();
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
    asked.onupgradeneeded = () => asked.result.createObjectStore('chat');
  });
  let opened;
  const use = async (mode, act) => {
    const base = await (opened ??= request(() => indexedDB.open(`klatsch ${name}`)));
    return request(() => act(base.transaction('chat', mode).objectStore('chat')));
  };
  return {
    load: () => use('readonly', (chat) => chat.get('state')),
    save: (state) => use('readwrite', (chat) => chat.put(state, 'state')),
  };
}
