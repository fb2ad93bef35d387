//! What a run is given to do, made of what is declared.
