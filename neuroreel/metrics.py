"""Quality of embeddings: InfoNCE, goodness of fit, and consistency between runs and recordings."""

from decoders.embedding.agreement import consistency as consistency
from decoders.embedding.agreement import consistency_by_label as consistency_by_label
from decoders.embedding.quality import goodness_of_fit as goodness_of_fit
from decoders.embedding.quality import infonce as infonce

__all__ = ["consistency", "consistency_by_label", "goodness_of_fit", "infonce"]
