//! What can be guessed about two files: their form, their types, their key and how they map.
