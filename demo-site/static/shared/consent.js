// Answers the privacy question without leaving the page.
'use strict';

{
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
    // Where purposes cannot be chosen one by one, the button speaks for all of them.
    const agreed = (purpose) => form.elements[purpose]?.checked ?? choice === 'all';
    portico('consent', { analytics: agreed('analytics'), personalization: agreed('personalization') });
    consent.hidden = true;
    document.getElementById('content').focus({ preventScroll: true });
  });

  document.querySelector('[data-consent-open]').addEventListener('click', (event) => {
    event.preventDefault();
    consent.hidden = false;
    const choices = consent.querySelector('details');
    if (choices) choices.open = true;
    consent.querySelector('h2, button').focus();
  });
}
