// Makes quicker what works without it: the consent banner and the demonstration customers on the login page.
'use strict';

const consent = document.getElementById('consent');
const form = consent.querySelector('form');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const choice = event.submitter.value;
  const body = new URLSearchParams(new FormData(form, event.submitter));
  try {
    const answer = await fetch(form.action, { method: 'POST', body, headers: { 'x-requested-with': 'fetch' } });
    if (!answer.ok) throw new Error(String(answer.status));
  } catch {
    // Without a script's answer the form goes its ordinary way, with the button that was pressed.
    form.append(Object.assign(document.createElement('input'), { type: 'hidden', name: 'choice', value: choice }));
    form.submit();
    return;
  }
  for (const box of form.querySelectorAll('[type=checkbox]')) {
    if (choice !== 'chosen') box.checked = choice === 'all';
  }
  portico('consent', { analytics: form.analytics.checked, personalization: form.personalization.checked });
  consent.hidden = true;
  document.getElementById('content').focus({ preventScroll: true });
});

document.querySelector('[data-consent-open]').addEventListener('click', (event) => {
  event.preventDefault();
  consent.hidden = false;
  consent.querySelector('details').open = true;
  document.getElementById('consent-title').focus();
});

for (const tile of document.querySelectorAll('[data-user]')) {
  tile.addEventListener('click', (event) => {
    event.preventDefault();
    document.getElementById('user').value = tile.dataset.user;
    document.getElementById('password').value = tile.dataset.password;
    for (const other of document.querySelectorAll('[data-user]')) other.removeAttribute('aria-current');
    tile.setAttribute('aria-current', 'true');
    document.querySelector('#login-form button').focus();
  });
}

// Whoever logs out leaves nothing of theirs in the page behind.
document.querySelector('.logout')?.addEventListener('submit', () => portico('destroy'));

// On a phone the menu scrolls sideways: begin where the visitor is.
document.querySelector('.products [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });

document.getElementById('errors')?.focus();
