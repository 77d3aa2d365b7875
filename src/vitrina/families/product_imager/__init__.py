"""Product photos from words: text-conditional diffusion with classifier-free guidance."""
