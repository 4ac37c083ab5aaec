"""Speech recognition, the light side: config, result, and what surrounds the model.

The endpoints' interface, for `endpoints.py` (server `recognize`, device
`recognize_samples`; where `frontend.source` is "features" both take `features` [batch,
frames, n_mfcc] float32 instead of `samples` [batch, n] float32):

    in:  samples [batch, n] float32 padded with 0, lengths [batch] int32 (in samples)
    out: ids        [batch, hypotheses, labels] int32, padded with 0, best first
         lengths    [batch, hypotheses] int32
         score      [batch, hypotheses] float32 (-1e9: nothing found)
         starts     [batch, labels] int32: model step where each label of the best
                    hypothesis begins
         ends       [batch, labels] int32: the step after its last one
         confidence [batch, labels] float32, 0 to 1
         log_probs  [batch, steps, vocabulary] float32
         steps      [batch] int32: real steps of each row
`recognize` has `text` [batch, hypotheses] string besides.
"""
