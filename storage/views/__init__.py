"""The views' tables: written inline in the commit, rebuilt from the events, compared with them."""
