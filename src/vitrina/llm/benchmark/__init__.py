"""How fast a served language model is under load. The requests are made by guidellm; the judgement is made here."""
