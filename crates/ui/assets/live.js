// Parts that wait for something: looked at again while somebody looks at the page, and for a quarter
// of an hour at most. The page that comes back has the part again; it is put in only if it says
// something else, so that nothing is read out twice.

const EVERY = 3000;
const TRIES = 300;

const watch = (id) => {
  let left = TRIES;
  const timer = setInterval(async () => {
    const part = document.getElementById(id);
    if (!part?.dataset.live || left === 0) return clearInterval(timer);
    if (document.hidden || part.contains(document.activeElement)) return;
    left -= 1;
    try {
      const answer = await fetch(part.dataset.live, { headers: { accept: "text/html" } });
      // Signed out, or gone: the next click says so.
      if (!answer.ok || answer.redirected) return clearInterval(timer);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(id);
      if (!fresh || fresh.dataset.state === part.dataset.state) return;
      part.replaceChildren(...fresh.childNodes);
      part.dataset.state = fresh.dataset.state;
      if (!fresh.dataset.live) delete part.dataset.live;
    } catch {
      // No connection for now; the next try may have one.
    }
  }, EVERY);
};

for (const part of document.querySelectorAll("[data-live]")) watch(part.id);
