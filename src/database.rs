//! Connection pools from a URL. Passwords are never shown.
