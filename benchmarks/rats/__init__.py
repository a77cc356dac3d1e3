"""Where a rat is, from hippocampal spikes: two real recordings, our decoder beside shrinkage LDA."""
