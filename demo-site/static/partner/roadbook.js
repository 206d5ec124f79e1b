// Answers the privacy question without leaving the page.
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
    form.append(Object.assign(document.createElement('input'), { type: 'hidden', name: 'choice', value: choice }));
    form.submit();
    return;
  }
  const agreed = choice === 'all';
  portico('consent', { analytics: agreed, personalization: agreed });
  consent.hidden = true;
  document.getElementById('content').focus({ preventScroll: true });
});

document.querySelector('[data-consent-open]').addEventListener('click', (event) => {
  event.preventDefault();
  consent.hidden = false;
  form.querySelector('button').focus();
});
