"""The map: which contexts there are, who listens to whom, who asks whom, and what each of them owns."""
