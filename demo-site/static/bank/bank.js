// Makes quicker what works without it: the demonstration customers on the login page, and where a page begins.
'use strict';

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
