//! A Docebo to practise on.
