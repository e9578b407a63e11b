//! Ten thousand resources.
