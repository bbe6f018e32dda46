//! Reports get pasted into public places: secrets leave always, names where asked.
